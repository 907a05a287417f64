"""Training of ``small`` by what ``call`` draws. Only ``models`` and its command line import it; torch is needed."""
