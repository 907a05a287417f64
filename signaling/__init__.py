"""Connects two people: the signaling server, its client, WebRTC transport, calls, and the call's web pages.

May import every package except bench and commands. Inside: protocol <- client <- transport <- call <- web
<- session; rooms imports only protocol, config, static_files and call_page.

HTTP headers of the pages: static_files.py (local page, the server's own), call_page.py (the call's page).
"""
