//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// threadsNamed finds the kernel's threads whose names match a pattern.
func threadsNamed(pattern string) (threads []int, err error) {
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, err
	}
	for _, path := range comms {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if is, err := filepath.Match(pattern, strings.TrimSpace(string(b))); err != nil {
			return nil, err
		} else if !is {
			continue
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		threads = append(threads, id)
	}
	return threads, nil
}
