"""Two people connected: the rooms server, the client, WebRTC transport, calls, and the call's web page.

May import all packages but bench and commands. Inside: protocol <- client <- transport <- call <- web
<- session; rooms imports protocol, config, static_files and call_page alone.

Headers of the pages: static_files.py (local page, the server's own), call_page.py (the call's page).
"""
