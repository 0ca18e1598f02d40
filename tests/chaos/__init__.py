"""Proof by torment: the whole stack works while processes die, servers restart and connections break.

``python -m chaos`` runs it, from the folder ``tests``; each seed gives the same torments at the same moments.
"""
