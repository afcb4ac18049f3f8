"""How a person runs it.

settings      where every value comes from: flag, shell, .env, default
plausible     values that are clearly something else, caught before the service is asked
options       what a command takes besides the settings
kinds         a kind of agent
extras        what you can leave out, and where each extra takes part
cli           from the command line to a conversation
commands      the commands of the program
plan          what a run is to be, and how it reaches the service
played        what was played while the microphone heard a block
run           the one place where the parts meet, and where a run ends
console       what a person sees and types while it lasts
screen        the terminal: one line at a time
writer        texts on their way to a screen or a disk, so that nobody waits
terminal      the keyboard, and what a terminal can show
logs          the two files of a run
soundtest     records the microphone and plays it, for people who hear nothing, or are not heard
waiting       for the sound cards of a machine that has just started
"""
