"""What may be left out.

demo          the stand-in in place of the service
check         what is missing before one can talk
tools         functions of yours that the agent may call
init          asks for the values that an agent needs, and writes .env
recording     sound and turns, in two files
export        what was said in a recording, to read or as subtitles
echo          what was played goes along with what is heard
live          the part of a terminal that stays in place
hotplug       a sound card that is lost is looked for again
"""
