"""Errors of `repos`.

RepositoryError
├── NotARepository     the path holds no git directory
├── UnknownRevision    a ref or commit that the repository does not have
└── MissingObject      an object named by a tree that the (partial) repository lacks
"""

from __future__ import annotations


class RepositoryError(Exception):
    """A repository could not answer."""


class NotARepository(RepositoryError):
    """The path holds no git directory."""


class UnknownRevision(RepositoryError):
    """The repository has no such ref or commit."""


class MissingObject(RepositoryError):
    """The repository lacks an object that its trees name."""
