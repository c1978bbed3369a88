//go:build linux

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLineNamesJobsAndTheirVMs(t *testing.T) {
	for line, want := range map[string]order{
		"":              {},
		"quiet console": {},
		"hfdemo":        {jobs: []jobOrder{{name: "demo"}}},
		"hfdemo=5":      {jobs: []jobOrder{{name: "demo", vms: []int{5}}}},
		"hfreboot":      {reboot: true},
		"quiet hftest=echo,fault@3+4+5,unload\n": {jobs: []jobOrder{
			{name: "echo"}, {name: "fault", vms: []int{3, 4, 5}}, {name: "unload"}}},
		"hftest=timer hfreboot":      {jobs: []jobOrder{{name: "timer"}}, reboot: true},
		"hftest=hf_test":             {jobs: []jobOrder{{name: "hf_test", count: jobs["hf_test"].count}}},
		"hftest=hf_test@2+3+4+5+6*9": {jobs: []jobOrder{{name: "hf_test", vms: []int{2, 3, 4, 5, 6}, count: 9}}},
		"hftest=ffa_start@2+4+4,ffa_test@3*7,ffa_test": {jobs: []jobOrder{{name: "ffa_start", vms: []int{2, 4, 4}},
			{name: "ffa_test", vms: []int{3}, count: 7}, {name: "ffa_test", count: jobs["ffa_test"].count}}},
	} {
		got, err := parseCommandLine(line)
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(order{}, jobOrder{})); d != "" {
			t.Errorf("%q: (-want +got)\n%s", line, d)
		}
	}
}

func TestCommandLineRefusesWhatItCannotDo(t *testing.T) {
	for _, line := range []string{"hftest=", "hftest=nothing", "hftest=echo@x", "hftest=echo@", "hftest=echo@1+2", "hftest=fault@3", "hftest=unload@2", "hfdemo=70000", "hftest=echo*2", "hftest=hf_test*0", "hftest=hf_test*x"} {
		if got, err := parseCommandLine(line); err == nil {
			t.Errorf("%q became %+v", line, got)
		}
	}
}
