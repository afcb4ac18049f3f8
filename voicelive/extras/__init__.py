"""What you can leave out.

demo          the stand-in in place of the service
check         what is missing before you can talk
tools         your functions, which the agent may call
init          asks for the values that an agent needs, and writes .env
recording     sound and turns, in two files
export        what was said in a recording, to read or as subtitles
echo          sends what was played along with what is heard
live          the part of a terminal that stays in place
hotplug       looks again for a sound card that is lost
"""
