"""A stand-in for Azure AI Voice Live on this machine: a WebSocket server with the same protocol.

`python -m standin` serves any client; `with StandIn() as stand_in:` (standin.server) is one in a program, at
`stand_in.endpoint`. It is written from the protocol, shares no code with the client beside it, and needs
neither Azure nor a network. In reading order:

    server        the server, and what tests may see of it
    route         who may come in: path, api-version, credential, agent
    conversation  what is answered to each message
    session       what can be set (its fields: fields, rules), and how it is shown (shown)
    ear           when a turn of speech begins and ends
    playback      what was sent, and when the user hears it
    agent         what it does with a turn: speaks, calls functions, asks, searches (functions)
    mouth         the answer's words and their sound (repertoire, script, g711)
    speaker       the answer's pace and end (its events: reply, outputs; its tokens: usage)
    items         what was said and typed
    events        messages, ids and errors
    faults/       what can go wrong (`faults=["401"]`, `--fault 401`): the list, and how it happens
    records       what clients did
"""
