"""The heart: takes records from a broker, runs them, hands off what failed, and commits what is finished."""
