//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// order is what the kernel command line asks for.
type order struct {
	jobs  []jobOrder
	shell bool
}

// jobOrder is one job and the SPCI ids of the VMs it is to use.
type jobOrder struct {
	name string
	vms  []int
}

// firstSecondary is the SPCI id of the first secondary; jobs without ids use those from here.
const firstSecondary = 2

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
		case "hfshell":
			o.shell = true
		}
	}
	return o, nil
}

// parseJob reads JOB or JOB@VM+VM….
func parseJob(spec string) (jobOrder, error) {
	name, ids, given := strings.Cut(spec, "@")
	j, ok := jobs[name]
	if !ok {
		return jobOrder{}, fmt.Errorf("no job is called %q", name)
	}
	o := jobOrder{name: name}
	if !given {
		for i := range j.vms {
			o.vms = append(o.vms, firstSecondary+i)
		}
		return o, nil
	}
	for s := range strings.SplitSeq(ids, "+") {
		id, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return jobOrder{}, fmt.Errorf("job %s: %q is no VM id", name, s)
		}
		o.vms = append(o.vms, int(id))
	}
	if len(o.vms) != j.vms {
		return jobOrder{}, fmt.Errorf("job %s needs %d VMs, not %d", name, j.vms, len(o.vms))
	}
	return o, nil
}
