"""How a person runs it.

settings      where every value comes from: flag, shell, .env, default
plausible     values that are plainly something else: caught before anything is asked of a service
options       what a command is given besides
kinds         a kind of agent
extras        what may be left out, and where it takes part
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
soundtest     the microphone recorded and played, for who does not hear, or is not heard
waiting       for the sound cards of a machine that has just started
"""
