"""What the scripted model server says at this desk, for demonstrations and tests: no model, but the desk's own rules.

python -m penstock.testing.model_server --script processors.scripted_model:answer
"""

from __future__ import annotations

import json

from processors import areas, triage


def answer(system: str, user: str) -> str:
    """The answer to one prompt: a verdict for triage's instructions, else the article it was given, quoted."""
    if system == triage.INSTRUCTIONS:
        area, confidence = areas.area_of(user)
        return json.dumps({"area": area, "urgency": areas.urgency_of(user), "confidence": confidence})
    _, _, article = user.rpartition("\n\nArticle: ")
    title, _, text = article.partition("\n")
    return f"Thank you for writing to us. As our article “{title}” says: {text}"
