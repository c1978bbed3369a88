package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/hfvmm/hfvmm/duty"
)

// dutyRow is a rule with what was counted, as JSON.
type dutyRow struct {
	Rule    string     `json:"rule"`
	Level   duty.Level `json:"level"`
	Section string     `json:"section"`
	Duty    string     `json:"duty"`
	Kept    uint64     `json:"kept"`
	Broken  uint64     `json:"broken"`
}

// printDuties writes how often the primary kept and broke each rule, if that was counted.
func (s *session) printDuties(tallies []duty.Tally) {
	if tallies == nil {
		return
	}
	if s.o.checkFormat.value == "json" {
		rows := make([]dutyRow, len(tallies))
		for i, t := range tallies {
			rows[i] = dutyRow{t.ID, t.Level, t.Section, t.Duty, t.Kept, t.Broken}
		}
		_ = json.NewEncoder(s.stderr).Encode(rows) // to where errors would be told
		return
	}
	writeDuties(s.stderr, tallies)
}

func writeDuties(out io.Writer, tallies []duty.Tally) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rule\tlevel\tkept\tbroken\tduty")
	for _, t := range tallies {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", t.ID, t.Level, t.Kept, t.Broken, t.Duty)
	}
	w.Flush()
}
