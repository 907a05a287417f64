"""Finding and following one face: BlazeFace detector, face mesh, finder, crop tracker. No torch.

Every package behind models may import it.
"""
