package hypercall

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDebugLogPrintsLines(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"newline ends a line", "ab\nc\n", []string{"1:ab", "1:c"}},
		{"an empty line is a line", "\n", []string{"1:"}},
		{"carriage return before newline is dropped", "ab\r\n", []string{"1:ab"}},
		{"NUL ends a line", "ab\x00", []string{"1:ab"}},
		{"NUL alone is nothing", "\x00\x00", nil},
		{"unfinished is kept back", "ab", nil},
		{"escape sequences are spelt out", "\x1b[2J\a\n", []string{`1:\x1b[2J\x07`}},
		{"letters of the world and tabs pass", "grün\t✓\n", []string{"1:grün\t✓"}},
		{"broken UTF-8 is spelt out", "a\xffb\xc3\n", []string{`1:a\xffb\xc3`}},
		{"C1 controls are spelt out", "\u009b1m\n", []string{`1:\xc2\x9b1m`}},
		{"a long line is cut", strings.Repeat("x", DebugLogLine+1) + "\n", []string{"1:" + strings.Repeat("x", DebugLogLine), "1:x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			d := NewDebugLog(2, func(vm int, line []byte) { got = append(got, fmt.Sprintf("%d:%s", vm, line)) })
			g := newGuest(1, 0)
			for _, b := range []byte(c.in) {
				if x0, out := g.call(d, DebugLogPutc, 0xFF00|uint64(b)); x0 != 0 || out != (Outcome{}) {
					t.Fatalf("x0 = %#x, outcome %+v", x0, out)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDebugLogKeepsVMsApart(t *testing.T) {
	var got []string
	d := NewDebugLog(2, func(vm int, line []byte) { got = append(got, fmt.Sprintf("%d:%s", vm, line)) })
	a, b := newGuest(0, 0), newGuest(1, 0)
	a.call(d, DebugLogPutc, 'a')
	b.call(d, DebugLogPutc, 'b')
	a.call(d, DebugLogPutc, '\n')
	b.call(d, DebugLogPutc, '\n')
	if want := []string{"0:a", "1:b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
