"""`people` as a ganzoo data set, with exact ages and identities."""

from functools import cached_property

import numpy as np

from ganzoo_core import Dataset, Metadata
from ganzoo_core.errors import UsageError
from ganzoo_people.aging import appearance
from ganzoo_people.factors import MAX_AGE, RENDER_VERSION, SPLITS, age, identity, nuisance
from ganzoo_people.nuisance_scale import scale_nuisance
from ganzoo_people.portrait import render


class People(Dataset):
    """Rendered portraits. Image k is photo k mod p of person k div p, p = `photos_per_person`."""

    license = "Apache-2.0"
    version = f"render {RENDER_VERSION}"
    exporters = {**Dataset.exporters, "imdb-wiki": "ganzoo_people.imdb_wiki_export:write_imdb_wiki"}

    def __init__(self, config):
        super().__init__(config)
        if config.min_age > config.max_age:
            raise UsageError(
                f"data.min_age ({config.min_age:g}) is above data.max_age ({config.max_age:g})"
            )
        people, max_people = -(-config.count // config.photos_per_person), len(SPLITS[config.split])
        if people > max_people:
            raise UsageError(
                f"data.count={config.count} needs {people} people, and {config.split} has "
                f"{max_people}: lower data.count or raise data.photos_per_person"
            )

    def _person_and_photo(self, index):
        """Return (person number, photo number) of an index."""
        person, photo = divmod(index, self.config.photos_per_person)
        return SPLITS[self.config.split][person], photo

    @cached_property
    def ages(self):
        """Ages in years, [count] float32."""
        low, high = self.config.min_age, self.config.max_age
        share = [
            age(self.config.seed, *self._person_and_photo(i)) / MAX_AGE
            for i in range(self.config.count)
        ]
        return (low + (high - low) * np.array(share)).astype(np.float32)

    def metadata(self):
        """Return the ages and identities."""
        people = np.array(
            [self._person_and_photo(i)[0] for i in range(self.config.count)], np.int64
        )
        return Metadata(length=self.config.count, ages=self.ages, identities=people)

    def face_attributes(self):
        """Return the skin tone of each portrait: light, medium or dark, a third of its range."""
        names = np.array(["light", "medium", "dark"])
        people = [self._person_and_photo(i)[0] for i in range(self.config.count)]
        tones = [identity(self.config.seed, person).skin_tone for person in people]
        return {"skin tone": names[np.clip((3 * np.array(tones)).astype(int), 0, 2)]}

    def load_image(self, index):
        """Render one portrait, uint8 [S, S, 3]."""
        return self.load_images([index])[0]

    def load_images(self, indices):
        """Render many portraits at once, each uint8 [S, S, 3]."""
        return self.render_at_ages(indices, [float(self.ages[index]) for index in indices])

    def render_at_ages(self, indices, ages):
        """Render portraits again at other ages, in years; everything else stays the same."""
        if not len(indices):
            return []
        seed = self.config.seed
        person_photo_pairs = [self._person_and_photo(index) for index in indices]
        appearances = [
            appearance(identity(seed, person), years)
            for years, (person, _) in zip(ages, person_photo_pairs, strict=True)
        ]
        nuisances = [
            scale_nuisance(
                nuisance(seed, person, 0 if self.config.same_photo else photo),
                self.config.nuisance_scale,
            )
            for person, photo in person_photo_pairs
        ]
        return list(render(appearances, nuisances, self.config.image_size))
