//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// order is what the kernel command line asks for.
type order struct {
	jobs   []jobOrder
	reboot bool
}

// jobOrder is one job, the ids of the VMs it is to use, and how much it is to do.
type jobOrder struct {
	name  string
	vms   []int // nil for the first secondaries that there are, or all
	count int   // of jobs that have one
}

// parseCommandLine picks our words out of a kernel command line.
func parseCommandLine(line string) (order, error) {
	var o order
	for _, word := range strings.Fields(line) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "hftest":
			for spec := range strings.SplitSeq(value, ",") {
				j, err := parseJob(spec)
				if err != nil {
					return o, err
				}
				o.jobs = append(o.jobs, j)
			}
		case "hfdemo":
			spec := "demo"
			if value != "" {
				spec += "@" + value
			}
			j, err := parseJob(spec)
			if err != nil {
				return o, err
			}
			o.jobs = append(o.jobs, j)
		case "hfreboot":
			o.reboot = true
		}
	}
	return o, nil
}

// parseJob reads JOB, JOB@VM+VM…, JOB*COUNT or JOB@VM+VM…*COUNT.
func parseJob(spec string) (jobOrder, error) {
	spec, count, counted := strings.Cut(spec, "*")
	name, ids, given := strings.Cut(spec, "@")
	j, ok := jobs[name]
	if !ok {
		return jobOrder{}, fmt.Errorf("no job is called %q", name)
	}
	o := jobOrder{name: name, count: j.count}
	if counted {
		n, err := strconv.ParseUint(count, 10, 31)
		if err != nil || n == 0 || j.count == 0 {
			return jobOrder{}, fmt.Errorf("job %s cannot be done %q times", name, count)
		}
		o.count = int(n)
	}
	if !given {
		return o, nil
	}
	for s := range strings.SplitSeq(ids, "+") {
		id, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return jobOrder{}, fmt.Errorf("job %s: %q is no VM id", name, s)
		}
		o.vms = append(o.vms, int(id))
	}
	if j.vms != some && len(o.vms) != j.vms {
		return jobOrder{}, fmt.Errorf("job %s needs %d VMs, not %d", name, j.vms, len(o.vms))
	}
	return o, nil
}
