"""When one machine and when several machines report and stop."""

import itertools

import pytest

from t2tlite.devices import jax_devices
from t2tlite.devices.devices import Devices
from t2tlite.training.agreement import REPORT_SECONDS, REPORT_STEPS, make_agreement


@pytest.fixture
def objective(make_setup):
    setup = make_setup()
    objective, optimizer = setup.make_objective()
    objective.compile(optimizer=optimizer, jit_compile=False)
    objective.batches = map(setup.training_batches.batch, itertools.count())
    return objective


def test_one_machine_decides_alone(objective):
    agreement = make_agreement(Devices("tensorflow", "CPU", 1), objective)
    assert not agreement.agreed_to_stop({}, 1)
    assert not agreement.time_to_report(REPORT_STEPS, REPORT_SECONDS / 2)
    assert agreement.time_to_report(1, REPORT_SECONDS)
    assert agreement.ask_to_stop("SIGTERM")
    assert agreement.agreed_to_stop({}, 1)
    assert agreement.stop_reason == "SIGTERM"


def test_several_machines_report_after_the_same_steps(objective):
    agreement = make_agreement(Devices("tensorflow", "CPU", 2, workers=2), objective)
    steps = [step for step in range(1, 31) if agreement.time_to_report(step, 2 * REPORT_SECONDS)]
    assert steps == [REPORT_STEPS, 2 * REPORT_STEPS, 3 * REPORT_STEPS]


def test_on_tensorflow_a_request_travels_in_the_sums_of_a_step(objective):
    def step():
        return objective.train_on_batch(next(objective.batches), return_dict=True)

    devices = [Devices("tensorflow", "CPU", 2, workers=2, worker=worker) for worker in (0, 1)]
    asked, other = (make_agreement(device, objective) for device in devices)
    logs = step()
    assert not asked.agreed_to_stop(logs, 1)
    assert not asked.ask_to_stop("SIGTERM")
    # The step that is over didn't carry the request, so no machine may stop after it.
    assert not asked.agreed_to_stop(logs, 1)
    logs = step()
    assert asked.agreed_to_stop(logs, 2)
    assert other.agreed_to_stop(logs, 2)
    assert other.stop_reason == ""


def test_on_jax_machines_vote_after_the_same_steps(objective, monkeypatch):
    votes = []

    def any_process(flag):
        votes.append(flag)
        return len(votes) == 2

    monkeypatch.setattr(jax_devices, "any_process", any_process)
    agreement = make_agreement(Devices("jax", "CPU", 2, workers=2), objective)
    stops = [step for step in range(1, 31) if agreement.agreed_to_stop({}, step)]
    # The second time another machine was asked to stop.
    assert (votes, stops) == ([False, False, False], [2 * REPORT_STEPS])
    agreement.ask_to_stop("SIGTERM")
    assert not agreement.agreed_to_stop({}, 31)
    agreement.agreed_to_stop({}, 40)
    assert votes[3:] == [True]
