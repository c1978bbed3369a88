package main

import (
	"fmt"
	"math"
	"strconv"
)

// parseSize reads a number of bytes with an optional suffix K, M or G (1024, 1024², 1024³).
func parseSize(text string) (uint64, error) {
	digits, shift := text, 0
	if n := len(text); n > 0 {
		switch text[n-1] {
		case 'K', 'k':
			digits, shift = text[:n-1], 10
		case 'M', 'm':
			digits, shift = text[:n-1], 20
		case 'G', 'g':
			digits, shift = text[:n-1], 30
		}
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || v > math.MaxUint64>>shift {
		return 0, fmt.Errorf("%q is not a size; write a number with K, M or G, like 512M", text)
	}
	return v << shift, nil
}
