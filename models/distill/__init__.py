"""Distillation: the network ``small`` is trained to draw what ``call`` draws.
Only ``models`` and its command line import it; torch is needed."""
