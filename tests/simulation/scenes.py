"""All meetings that are explored."""

from tests.simulation.scenes_of_funders import FUNDERS
from tests.simulation.scenes_of_jobs import JOBS
from tests.simulation.scenes_of_money import MONEY
from tests.simulation.scenes_of_papers import PAPERS

SCENES = (*MONEY, *JOBS, *PAPERS, *FUNDERS)
