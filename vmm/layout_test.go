package vmm

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestSecondariesAreCarvedFromTheTopFirstListedHighest(t *testing.T) {
	spans, err := carve(512<<20, []Secondary{{Memory: 1 << 20}, {Memory: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	top := uint64(ramBase + 512<<20)
	want := []span{{ramBase, 510 << 20}, {top - 1<<20, 1 << 20}, {top - 1<<20 - 4096, 4096}}
	for i := range want {
		if spans[i] != want[i] {
			t.Errorf("span %d = %#x, want %#x", i, spans[i], want[i])
		}
	}
}

func TestMemoryThatCannotBeCarvedIsAUsageError(t *testing.T) {
	for name, c := range map[string]struct {
		size        uint64
		secondaries []Secondary
	}{
		"odd size":                      {4097, nil},
		"no memory":                     {0, nil},
		"no room for a primary":         {2 << 20, []Secondary{{Memory: 4096}}},
		"secondary larger than RAM":     {4 << 20, []Secondary{{Memory: 8 << 20}}},
		"secondaries together too much": {8 << 20, []Secondary{{Memory: 6 << 20}, {Memory: 6 << 20}}},
		"secondary of no memory":        {8 << 20, []Secondary{{}}},
		"secondary of odd size":         {8 << 20, []Secondary{{Memory: 5000}}},
		"sizes that wrap around":        {8 << 20, []Secondary{{Memory: math.MaxUint64 &^ 4095}, {Memory: 8192}}},
	} {
		if _, err := carve(c.size, c.secondaries); !errors.Is(err, ErrUsage) {
			t.Errorf("%s: error %v, want ErrUsage", name, err)
		}
	}
}

func TestSliceOfRAMRefusesWhatIsNotWhollyRAM(t *testing.T) {
	r := &ram{bytes: make([]byte, 8192)}
	for _, c := range []struct {
		ipa, size uint64
		ok        bool
	}{
		{ramBase, 8192, true},
		{ramBase + 8191, 1, true},
		{ramBase + 8192, 0, true},
		{ramBase + 8192, 1, false},
		{ramBase + 1, 8192, false},
		{ramBase - 1, 1, false},
		{0, 1, false},
		{math.MaxUint64, 2, false},
		{ramBase, math.MaxUint64, false},
	} {
		if got := r.Slice(c.ipa, c.size) != nil; got != c.ok {
			t.Errorf("Slice(%#x, %#x) found = %v, want %v", c.ipa, c.size, got, c.ok)
		}
	}
}

func TestTicksBecomeNanosecondsWithoutOverflow(t *testing.T) {
	for _, c := range []struct {
		ticks, hz uint64
		want      time.Duration
	}{
		{0, 62_500_000, 0},
		{1, 62_500_000, 16},
		{62_500_000 * 20, 62_500_000, 20 * time.Second},
		{1_000_000_000 * 3600, 1_000_000_000, time.Hour},
		{math.MaxUint64, 62_500_000, math.MaxInt64},
		{math.MaxUint64, 1, math.MaxInt64},
	} {
		if got := ticksToDuration(c.ticks, c.hz); got != c.want {
			t.Errorf("ticksToDuration(%d, %d) = %v, want %v", c.ticks, c.hz, got, c.want)
		}
	}
}
