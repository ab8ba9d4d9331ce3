"""What is promised while Postgres is away, and how a process ends its requests (acceptance 3, 30, 34, 35)."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

KEPT = "tests/gateway/test_settlements_are_kept_while_postgres_is_away.py::"
CUT = "tests/gateway/test_the_journal_is_read_however_it_was_cut.py::"
KILLED = "tests/kill_points/test_killed_at_any_file_operation_nothing_is_lost.py::test_every_operation_of_the_journal"
DEAD = "tests/gateway/test_a_dead_process_loses_no_hold.py::"
STOPPED = "tests/gateway/test_a_process_that_is_told_to_stop_settles_everything.py::"
SLOW = "tests/gateway/test_slow_readers_are_cut_off.py::"
JOURNAL_PY = "apps/gateway/journal.py"
KEEPING_PY = "apps/gateway/safekeeping.py"
REPLAY_PY = "apps/gateway/replay.py"
SETTLEMENT_PY = "apps/gateway/settlement.py"

OUTAGE_GUARDS = [
    # --- The file
    Mutant(
        "promised-before-it-is-flushed", "a settlement is flushed to the disk before its answer ends",
        (KILLED,),
        JOURNAL_PY, "            view = view[os.write(self._descriptor, view) :]\n        os.fsync(self._descriptor)\n", "            view = view[os.write(self._descriptor, view) :]\n",
    ),
    Mutant(
        "promised-before-it-is-written", "a settlement is in the journal before its answer ends",
        (KILLED,),
        KEEPING_PY, "                self._current = await self.in_thread(self._write, self._current, lines)\n",
        "                for settlement in late:\n                    self._settling.acknowledge(settlement)\n                await asyncio.sleep(0.2)\n                self._current = await self.in_thread(self._write, self._current, lines)\n",
    ),
    Mutant(
        "living-process-robbed", "a file belongs to its process as long as that lives",
        (CUT + "test_a_file_is_its_writers_while_that_lives_and_its_successors_afterwards",),
        JOURNAL_PY, "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n            if (state :=", "            if (state :=",
    ),
    Mutant(
        "changed-bytes-believed", "a line that is not what was written is not believed",
        (CUT + "test_a_byte_that_has_changed_costs_its_line_alone",),
        JOURNAL_PY, "if line[:HEAD] != b\"%08x %08x \" % (len(data), zlib.crc32(data)):", "if line[:8] != b\"%08x\" % len(data):",
    ),
    Mutant(
        "refused-thrown-away", "what Postgres refuses is kept for people",
        (CUT + "test_what_was_refused_and_what_is_damaged_is_kept_for_people", KEPT + "test_what_postgres_refuses_is_kept_for_people_and_the_rest_goes_through"),
        JOURNAL_PY, "        if refused:\n", "        if False:\n",
    ),
    Mutant(
        "torn-file-goes-on", "nothing is written after a line that may be torn",
        (KEPT + "test_a_disk_that_fills_up_in_the_middle_costs_no_answer_and_no_charge",),
        KEEPING_PY, "                    self.closed.append(self._current)\n                    self._current = None\n                return False", "                    pass\n                return False",
    ),
    # --- Replaying
    Mutant(
        "successor-does-not-replay", "a process settles what was left behind before it admits",
        (KEPT + "test_a_successor_settles_what_was_left_behind_before_it_admits", KILLED),
        REPLAY_PY, "        await self.run()\n        return self._folder", "        return self._folder",
    ),
    Mutant(
        "reaped-before-the-promises", "what journals promise is settled before anything is reaped",
        (KEPT + "test_what_was_promised_is_charged_before_anything_is_reaped",),
        "apps/gateway/housekeeping.py", "                await self._replay.run(others=self.leads)\n                if not self.leads:", "                if not self.leads:",
    ),
    Mutant(
        "cut-off-process-not-heard", "a process that reaps settles what one that is cut off has promised",
        (KEPT + "test_what_a_living_process_cannot_settle_is_settled_by_the_one_that_reaps",),
        REPLAY_PY, "            await self._replay_others(found.others)", "            pass",
    ),
    Mutant(
        "kept-holds-given-up", "the lease knows the requests whose settlement is in the journal",
        (KEPT + "test_a_hold_whose_settlement_is_in_the_journal_is_not_given_up",),
        "apps/gateway/runtime.py", "[*self.settling.pending, *self.safekeeping.kept]", "[*self.settling.pending]",
    ),
    Mutant(
        "booked-in-another-database", "a journal belongs to one database",
        (KEPT + "test_what_one_database_is_owed_is_not_booked_in_another",),
        REPLAY_PY, 'settings.INSTANCE.data_dir / "journal" / database', 'settings.INSTANCE.data_dir / "journal" / "any"',
    ),
    Mutant(
        "reapers-charge-taken-for-ours", "a settlement that the reaper came before does not stand, and the difference is told",
        (KEPT + "test_when_the_reaper_was_first_its_charge_stands_and_the_difference_is_told", DEAD + "test_a_process_that_slept_past_its_lease_ends_its_streams_and_charges_nothing_more"),
        SETTLEMENT_PY, "        if reaped is None:\n            return Settled(True, item.cost)", "        if True:\n            return Settled(True, item.cost)",
    ),
    # --- Bounds
    Mutant(
        "full-journal-admits", "a full journal closes admission",
        (KEPT + "test_a_full_journal_admits_nothing_and_the_answers_wait_for_postgres",),
        "apps/gateway/admission.py", "        if reason := self._closed():\n            raise LinkUnavailable(reason)\n", "",
    ),
    Mutant(
        "journal-without-bound", "the journal takes no more than JOURNAL_MAX_BYTES",
        (KEPT + "test_a_full_journal_admits_nothing_and_the_answers_wait_for_postgres",),
        KEEPING_PY, "            if room < 0:", "            if False:",
    ),
    Mutant(
        "hiccups-are-written-down", "a hiccup of less than a second touches no disk",
        (KEPT + "test_a_hiccup_touches_no_disk", KEPT + "test_time_that_a_process_slept_is_no_time_that_it_waited"),
        KEEPING_PY, "PATIENCE_LOOKS = 4", "PATIENCE_LOOKS = 1",
    ),
    # --- Ending
    Mutant(
        "lost-answer-ends-well", "an answer that the reaper has charged does not look finished",
        (DEAD + "test_a_process_that_slept_past_its_lease_ends_its_streams_and_charges_nothing_more",),
        "apps/gateway/inference.py", "    if await _settle(gateway, request, Status.COMPLETED):", "    if await _settle(gateway, request, Status.COMPLETED) or True:",
    ),
    Mutant(
        "stopped-streams-go-on", "what has not ended within DRAIN_S is ended and settled",
        (STOPPED + "test_it_drains_and_leaves_nothing_open",),
        "apps/gateway/open_request.py", '        """This process ends, and the request with it."""\n        self.stopped = True\n', '        """This process ends, and the request with it."""\n        return\n',
    ),
    Mutant(
        "slow-readers-fill-the-memory", "an answer waits for its reader",
        (SLOW + "test_a_stream_that_is_not_read",),
        "apps/gateway/door.py", "        elif self._protocol.flow.write_paused:\n", "        elif False:\n",
    ),
]  # fmt: skip
