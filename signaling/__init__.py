"""Two people connected: the rooms server, the client, WebRTC transport, calls, and the call's web page.

May import all rooms but bench and commands. Inside: protocol <- client <- transport <- call <- web
<- session; rooms knows protocol, config and static_files alone.
"""
