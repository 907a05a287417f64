"""Finding and following one face: BlazeFace detector, face mesh, finder, crop tracker. No torch.

Every package after models in the import order may import it.
"""
