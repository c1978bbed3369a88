package boot

import (
	"strings"
	"testing"
)

func TestSizesAreBytesOrPowersOf1024(t *testing.T) {
	for s, want := range map[string]uint64{
		"0": 0, "4096": 4096, "64K": 64 << 10, "64k": 64 << 10, "512M": 512 << 20, "512MiB": 512 << 20,
		"1G": 1 << 30, "2T": 2 << 40, "007K": 7 << 10, "18446744073709551615": 1<<64 - 1, "16777215T": 16777215 << 40,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
}

func TestMalformedSizesAreNamedWithARemedy(t *testing.T) {
	for _, s := range []string{"", "M", "-1", "+1", "1.5G", "1 G", " 1G", "12Q", "1MB", "0x1000", "1KM", "１G", "1G\n"} {
		_, err := ParseSize(s)
		if err == nil {
			t.Errorf("ParseSize(%q) gives no error", s)
			continue
		}
		mentions(t, err, "not a size", "such as 512M")
	}
	for _, s := range []string{"18446744073709551616", "16777216T", "99999999999999999999999999G"} {
		_, err := ParseSize(s)
		if err == nil {
			t.Errorf("ParseSize(%q) gives no error", s)
			continue
		}
		mentions(t, err, s, "64 bits")
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"512M", "1G", "4096", "64KiB", "-1", "99999999999999999999T"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err != nil && n != 0 {
			t.Errorf("ParseSize(%q) = %d with an error", s, n)
		}
	})
}

// mentions checks that an error is one sentence that says all of that.
func mentions(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that mentions %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error %q does not mention %q", err, p)
		}
	}
	if strings.ContainsAny(err.Error(), "\n") {
		t.Errorf("the error %q has more than one line", err)
	}
}
