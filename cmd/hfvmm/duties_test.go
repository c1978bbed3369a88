package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/vmm"
)

func TestCountsOfDutiesGoToStandardErrorAsTheFormatSays(t *testing.T) {
	files(t, "Image")
	yield, rests := duty.Rules[3], duty.Rules[10]
	h := fakeHost{ending: vmm.PoweredOff, counts: []duty.Tally{{Rule: &yield, Kept: 12}, {Rule: &rests, Broken: 3}}}
	const table = `rule         level   kept  broken  duty
yield        MUST    12    0       run a vCPU that yielded again at a later point
abort-rests  SHOULD  0     3       leave a vCPU of a VM that aborted alone, once that is known
`
	r := runApp(t, &h, "run", "--primary=Image", "--check-scheduler")
	if diff := cmp.Diff(table, r.stderr); r.code != 0 || r.stdout != "" || diff != "" {
		t.Errorf("exit code %d, stdout %q, stderr (-want +got):\n%s", r.code, r.stdout, diff)
	}

	r = runApp(t, &h, "run", "--primary=Image", "--check-scheduler=strict", "--check-format=json")
	var rows []dutyRow
	if err := json.Unmarshal([]byte(r.stderr), &rows); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	want := []dutyRow{
		{"yield", duty.Must, "SPCI_YIELD", yield.Duty, 12, 0},
		{"abort-rests", duty.Should, "SPCI_ABORTED", rests.Duty, 0, 3},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
