"""The finished project, for the tests of what people do with one."""

from project import finished, project

__all__ = ["finished", "project"]
