"""Proof by load: thousands of videos through the whole stack, or a steady stream of them, and nothing lost or growing.

``python -m load`` runs it, from the folder ``tests``.
"""
