"""Distillation: the network ``small`` is trained to render what ``call`` renders.
Only ``models`` and its command line import it; it needs torch."""
