package vmm

import (
	"slices"
	"strings"
	"testing"

	"github.com/hfvmm/hfvmm/devices"
)

func TestLinesOfABoardsUARTCannotChangeTheTerminal(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []string // as the UART's output comes
		want []string
	}{
		{"newline ends a line", []string{"ab\nc\n"}, []string{"ab", "c"}},
		{"a line comes in pieces", []string{"a", "b", "\n"}, []string{"ab"}},
		{"an empty line is a line", []string{"\n"}, []string{""}},
		{"carriage returns before newline are dropped", []string{"ab\r\n", "c\r\r\n"}, []string{"ab", "c"}},
		{"others are spelt out", []string{"\r\x1b[2K[primary] hello\r\n"}, []string{`\x0d\x1b[2K[primary] hello`}},
		{"escape sequences are spelt out", []string{"\x1b]52;c;eA==\a\n"}, []string{`\x1b]52;c;eA==\x07`}},
		{"C1 controls are spelt out", []string{"\u009b1m\n"}, []string{`\xc2\x9b1m`}},
		{"letters of the world and tabs pass", []string{"gr\xc3", "\xbcn\t✓\n"}, []string{"grün\t✓"}},
		{"a long line is told in parts", []string{strings.Repeat("x", 2*maxBoardLine+1), "\n"},
			[]string{strings.Repeat("x", maxBoardLine), strings.Repeat("x", maxBoardLine), "x"}},
		{"what has no end is told at the end", []string{"login: "}, []string{"login: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			m := &Machine{cfg: Config{DebugLog: func(vm string, line []byte) { got = append(got, string(line)) }}}
			b := &board{vm: &vm{m: m, name: "linux"}}
			b.out = devices.NewOutput(b)
			for _, in := range c.in {
				if n, err := b.Write([]byte(in)); n != len(in) || err != nil {
					t.Errorf("Write(%q): %d, %v", in, n, err)
				}
			}
			if err := b.close(t.Context()); err != nil {
				t.Error(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}
