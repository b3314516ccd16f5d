"""Names of components, of which spaCy makes names of files."""

from pathlib import Path

from spacy.language import Language


def require_plain_names(nlp: Language) -> None:
    """Make sure that each component will be saved within the folder of its pipeline. spaCy
    takes a name such as /tmp/ner from a config, and writes there.

    nlp (Language): The pipeline.
    RAISES (ValueError): If there is a component with another name.
    """
    for name in nlp.component_names:
        if name in ("", ".", "..") or Path(name).name != name:
            raise ValueError(
                f"a component is called {name!r}, and would be saved outside of the "
                "pipeline's folder: give it a name without slashes"
            )
