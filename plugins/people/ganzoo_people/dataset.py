"""`people` as a ganzoo data set: every age and identity is the truth, not a guess."""

from functools import cached_property

import numpy as np

from ganzoo_core import Dataset, Table
from ganzoo_core.errors import UsageError
from ganzoo_people.ageing import appearance
from ganzoo_people.factors import MAX_AGE, RENDER_VERSION, SPLITS, age, identity, nuisance
from ganzoo_people.portrait import render
from ganzoo_people.studio import calm


class People(Dataset):
    """Photo k of the set is photo k mod `photos` of person k div `photos` of the split."""

    license = "Apache-2.0"
    version = f"render {RENDER_VERSION}"
    layouts = {**Dataset.layouts, "imdb-wiki": "ganzoo_people.wiki:write_wiki"}

    def __init__(self, config):
        super().__init__(config)
        if config.min_age > config.max_age:
            raise UsageError(
                f"data.min_age ({config.min_age:g}) lies above data.max_age ({config.max_age:g})"
            )
        people, most = -(-config.count // config.photos), len(SPLITS[config.split])
        if people > most:
            raise UsageError(
                f"data.count ({config.count}) takes {people} people of {config.photos} photos, "
                f"and {config.split} has {most}: lower data.count or raise data.photos"
            )

    def who(self, index):
        """Return (person number, photo number) of an index."""
        person, photo = divmod(index, self.config.photos)
        return SPLITS[self.config.split][person], photo

    @cached_property
    def ages(self):
        """Ages in years, [count] float32."""
        low, high = self.config.min_age, self.config.max_age
        share = [age(self.config.seed, *self.who(i)) / MAX_AGE for i in range(self.config.count)]
        return (low + (high - low) * np.array(share)).astype(np.float32)

    def table(self):
        """Return the truth about every portrait."""
        people = np.array([self.who(i)[0] for i in range(self.config.count)], np.int64)
        return Table(length=self.config.count, ages=self.ages, identities=people)

    def image(self, index):
        """Render one portrait, uint8 [S, S, 3]."""
        return self.images([index])[0]

    def images(self, indices):
        """Render many portraits at once, each uint8 [S, S, 3]."""
        return self.at_ages(indices, [float(self.ages[index]) for index in indices])

    def at_ages(self, indices, ages):
        """Render portraits as if they had been taken at other ages, in years: same person, same
        circumstances."""
        if not len(indices):
            return []
        seed = self.config.seed
        whos = [self.who(index) for index in indices]
        looks = [
            appearance(identity(seed, person), years)
            for years, (person, _) in zip(ages, whos, strict=True)
        ]
        photos = [calm(nuisance(seed, *who), self.config.variety) for who in whos]
        return list(render(looks, photos, self.config.size))
