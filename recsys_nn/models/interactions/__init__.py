"""Interactions f(p_u, q_i) of the two factor vectors as Keras layers, one file each."""
