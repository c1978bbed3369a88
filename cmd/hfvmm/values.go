package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hfvmm/hfvmm/vmm/boot"
)

// vcpuCount is a flag value of 1 or more.
type vcpuCount int

func (n *vcpuCount) Type() string   { return "N" }
func (n *vcpuCount) String() string { return strconv.Itoa(int(*n)) }
func (n *vcpuCount) Set(text string) error {
	v, err := parseVCPUs(text)
	*n = vcpuCount(v)
	return err
}

// size is a flag value in bytes, written with an optional K, M or G.
type size uint64

func (s *size) Type() string { return "SIZE" }
func (s *size) String() string {
	v := uint64(*s)
	for _, unit := range []string{"", "K", "M"} {
		if v%1024 != 0 || v == 0 {
			return strconv.FormatUint(v, 10) + unit
		}
		v /= 1024
	}
	return strconv.FormatUint(v, 10) + "G"
}
func (s *size) Set(text string) error {
	v, err := parseMemory(text)
	*s = size(v)
	return err
}

const pageSize = 4096

// parseMemory reads an amount of memory: whole pages, at least one.
func parseMemory(text string) (uint64, error) {
	v, err := boot.ParseSize(text)
	if err != nil {
		return 0, err
	}
	if v == 0 || v%pageSize != 0 {
		return 0, fmt.Errorf("%q is not a multiple of the 4 KiB page; write it such as 512M", text)
	}
	return v, nil
}

// choice is a flag value out of a few words.
type choice struct {
	value string
	words []string
}

func (c *choice) Type() string   { return strings.Join(c.words, "|") }
func (c *choice) String() string { return c.value }
func (c *choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		last := len(c.words) - 1
		return fmt.Errorf("%q is not known; give %s or %s", text, strings.Join(c.words[:last], ", "), c.words[last])
	}
	c.value = text
	return nil
}

// index is the place of the value among the words.
func (c *choice) index() int { return slices.Index(c.words, c.value) }

// words are the names of values, for a choice out of them.
func words[V fmt.Stringer](values []V) []string {
	var all []string
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

// span is a flag value of time that must be longer than nothing.
type span time.Duration

func (d *span) Type() string { return "DURATION" }
func (d *span) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}
func (d *span) Set(text string) error {
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a time longer than 0; write it like 1ms or 30s", text)
	}
	*d = span(v)
	return nil
}
