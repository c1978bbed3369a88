// Package randomtest has what random tests of the services of guests share: who decides what is random, for how long,
// and how what failed is repeated.
package randomtest

import (
	"math/bits"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Source decides what is random about a step.
type Source interface {
	// Below gives a number from 0 to n-1; what says for what.
	Below(n int, what string) int
}

// Drawn is a source whose sequences rapid shrinks.
type Drawn struct{ T *rapid.T }

func (d Drawn) Below(n int, what string) int { return rapid.IntRange(0, n-1).Draw(d.T, what) }

// Seeded is a fast source that a seed repeats. It is no race detector's business.
type Seeded struct{ rand.PCG }

//go:norace
func (s *Seeded) Below(n int, _ string) int {
	hi, _ := bits.Mul64(s.Uint64(), uint64(n))
	return int(hi)
}

// Script is a source that a fuzzer writes; at its end everything is 0.
type Script []byte

func (s *Script) Below(n int, _ string) int {
	if len(*s) == 0 {
		return 0
	}
	b := int((*s)[0])
	*s = (*s)[1:]
	return b * n >> 8
}

// AddScripts gives a fuzzer scripts of several lengths to begin with.
func AddScripts(f *testing.F) {
	for seed := range uint64(16) {
		var s Seeded
		s.Seed(seed, 0)
		script := make([]byte, 1+seed*64)
		for i := range script {
			script[i] = byte(s.Below(256, ""))
		}
		f.Add(script)
	}
}

// Replays reports whether one episode is to be played alone, and the seed of that: HFVMM_SEED.
func Replays(t *testing.T) (seed uint64, ok bool) {
	s := os.Getenv("HFVMM_SEED")
	if s == "" {
		return 0, false
	}
	seed, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		t.Fatalf("HFVMM_SEED is not the number of an episode: %v", err)
	}
	return seed, true
}

// Steps is how many steps a test makes that usually makes n: less with -short, more with HFVMM_SOAK=1.
func Steps(n int) int {
	if testing.Short() {
		n /= 10
	}
	if os.Getenv("HFVMM_SOAK") == "1" {
		n *= 10
	}
	return n
}

// EpisodeSteps is how long the episode of a seed is: short ones begin more often, long ones get further.
func EpisodeSteps(seed uint64) int { return 32 << (seed % 8) }
