"""The promotion of a training's version: it moves the alias once, and never undoes what others did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from shared.jobs import Claim, JobStore
from shared.jobs.files import JobFiles
from shared.jobs.specifications import TrainingSpecification
from shared.registry import ModelVersion, Registry
from shared.runtime.settings import Settings
from shared.storage.names import new_id
from shared.storage.volume import Volume
from tests.support.objects import models
from tests.support.objects.jobs import a_training, claimed
from worker.running.heartbeat import LeaseLost
from worker.running.lease import Lease
from worker.running.shutdown import ShutdownRequest
from worker.training.promotion import Promotion


def publish(registry: Registry) -> ModelVersion:
    """Publish the next version of `toy`, for another job each time."""
    return models.publish(registry, job=new_id())


@pytest.fixture
def claim(jobs: JobStore, volume: Volume) -> Claim:
    """A claimed training that promotes its version to `live`."""
    specification = TrainingSpecification(model="toy", dataset="sha256:0", configuration={}, promote="live")
    job = a_training(specification=specification.pinned())
    JobFiles(volume).begin(job)
    jobs.create(job)
    return claimed(jobs, job.id, "a worker")


@pytest.fixture
def lease(jobs: JobStore, claim: Claim) -> Iterator[Lease]:
    with Lease(jobs, claim, Settings(), ShutdownRequest()) as lease:
        yield lease


@pytest.fixture
def promotion(claim: Claim, registry: Registry, volume: Volume) -> Promotion:
    return Promotion(claim.job, "live", registry, volume)


class TestMoving:
    def test_the_alias_of_a_new_model_is_created(self, promotion: Promotion, registry: Registry, lease: Lease) -> None:
        promotion.begin()
        version = publish(registry)

        assert promotion.move(version, lease) is None
        assert registry.aliases("toy") == {"live": 1}

    def test_an_alias_that_nobody_changed_is_moved(
        self, promotion: Promotion, registry: Registry, lease: Lease
    ) -> None:
        publish(registry)
        registry.point("toy", "live", 1)
        promotion.begin()
        registry.point("toy", "another", 1)

        assert promotion.move(publish(registry), lease) is None
        assert registry.aliases("toy") == {"another": 1, "live": 2}

    @pytest.mark.parametrize(
        ("change", "state", "says"),
        [
            (lambda registry: registry.point("toy", "live", 2), {"live": 2}, "was pointed to version 2"),
            (lambda registry: registry.remove_alias("toy", "live"), {}, "was removed"),
        ],
        ids=["moved", "removed"],
    )
    def test_an_alias_that_was_changed_while_the_job_ran_is_left(
        self,
        promotion: Promotion,
        registry: Registry,
        lease: Lease,
        change: Callable[[Registry], object],
        state: dict[str, int],
        says: str,
    ) -> None:
        publish(registry)
        publish(registry)
        registry.point("toy", "live", 1)
        promotion.begin()
        change(registry)
        version = publish(registry)

        finding = promotion.move(version, lease)

        assert finding is not None
        assert finding["code"] == "alias_not_moved"
        assert says in finding["message"]
        assert "not moved to version 3" in finding["message"]
        assert registry.aliases("toy") == state

    def test_an_alias_that_was_moved_away_and_back_is_left(
        self, promotion: Promotion, registry: Registry, lease: Lease
    ) -> None:
        publish(registry)
        publish(registry)
        registry.point("toy", "live", 1)
        promotion.begin()
        registry.point("toy", "live", 2)
        registry.point("toy", "live", 1)

        assert promotion.move(publish(registry), lease) is not None
        assert registry.aliases("toy") == {"live": 1}


class TestFurtherAttempts:
    def test_a_later_attempt_compares_with_the_alias_as_of_the_first_claim(
        self, promotion: Promotion, registry: Registry, lease: Lease, claim: Claim, volume: Volume
    ) -> None:
        publish(registry)
        publish(registry)
        registry.point("toy", "live", 1)
        promotion.begin()
        registry.point("toy", "live", 2)
        later = Promotion(claim.job, "live", registry, volume)
        later.begin()

        assert later.move(publish(registry), lease) is not None
        assert registry.aliases("toy") == {"live": 2}

    def test_an_attempt_after_the_promotion_moves_no_alias_back(
        self, promotion: Promotion, registry: Registry, lease: Lease
    ) -> None:
        promotion.begin()
        first, _ = publish(registry), publish(registry)
        assert promotion.move(first, lease) is None
        assert promotion.move(first, lease) is None
        registry.point("toy", "live", 2)

        assert promotion.move(first, lease) is not None
        assert registry.aliases("toy") == {"live": 2}

    def test_a_retry_by_a_user_compares_with_the_alias_as_of_the_retry(
        self, promotion: Promotion, registry: Registry, lease: Lease, claim: Claim, volume: Volume
    ) -> None:
        promotion.begin()
        version = publish(registry)
        publish(registry)
        registry.point("toy", "live", 2)
        retry = Promotion(claim.job.model_copy(update={"retries": 1}), "live", registry, volume)
        retry.begin()

        assert retry.move(version, lease) is None
        assert registry.aliases("toy") == {"live": 1}

    def test_the_files_of_a_deleted_job_are_not_created_again(
        self, promotion: Promotion, claim: Claim, volume: Volume
    ) -> None:
        JobFiles(volume).remove(claim.job.id)

        with pytest.raises(FileNotFoundError):
            promotion.begin()
        assert not volume.job(claim.job.id).exists()


class TestFencing:
    def test_a_worker_without_the_lease_moves_nothing(
        self, promotion: Promotion, registry: Registry, lease: Lease, jobs: JobStore, claim: Claim
    ) -> None:
        promotion.begin()
        version = publish(registry)
        jobs.discard(claim.job.id)

        with pytest.raises(LeaseLost):
            promotion.move(version, lease)
        assert registry.aliases("toy") == {}

    def test_the_lease_is_confirmed_again_if_the_model_changes_while_the_alias_is_moved(
        self, promotion: Promotion, registry: Registry, lease: Lease, jobs: JobStore, claim: Claim, volume: Volume
    ) -> None:
        """The worker is stopped between its confirmation and its write, and another process ends the job."""
        promotion.begin()
        first, _ = publish(registry), publish(registry)
        confirm = lease.confirm_held

        def confirm_then_sleep() -> None:
            confirm()
            lease.confirm_held = confirm  # type: ignore[method-assign]
            Registry(volume).point("toy", "live", 1)
            Registry(volume).point("toy", "live", 2)
            jobs.discard(claim.job.id)

        lease.confirm_held = confirm_then_sleep  # type: ignore[method-assign]

        with pytest.raises(LeaseLost):
            promotion.move(first, lease)
        assert registry.aliases("toy") == {"live": 2}
