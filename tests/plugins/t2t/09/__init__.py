import trap_registrations  # noqa: F401
