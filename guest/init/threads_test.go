//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestThreadsAreFoundByPatternsOfTheirNames(t *testing.T) {
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(string(own))
	for pattern, want := range map[string]bool{name: true, name[:1] + "*": true, name + "?": false, "": false} {
		threads, err := threadsNamed(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(threads, os.Getpid()) != want {
			t.Errorf("pattern %q found %v, and %d is called %q", pattern, threads, os.Getpid(), name)
		}
	}
	if threads, err := threadsNamed("[" + name); err == nil {
		t.Errorf("a bad pattern found %v", threads)
	}
}
