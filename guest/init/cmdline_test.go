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
		"hfdemo":        {jobs: []jobOrder{{"demo", []int{2}}}},
		"hfdemo=5":      {jobs: []jobOrder{{"demo", []int{5}}}},
		"hfshell":       {shell: true},
		"quiet hftest=echo,flood@3+4,unload\n": {jobs: []jobOrder{
			{"echo", []int{2}}, {"flood", []int{3, 4}}, {"unload", nil}}},
		"hftest=relay hfshell": {jobs: []jobOrder{{"relay", []int{2, 3}}}, shell: true},
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
	for _, line := range []string{"hftest=", "hftest=nothing", "hftest=echo@x", "hftest=echo@", "hftest=echo@1+2", "hftest=flood@3", "hftest=unload@2", "hfdemo=70000"} {
		if got, err := parseCommandLine(line); err == nil {
			t.Errorf("%q became %+v", line, got)
		}
	}
}
