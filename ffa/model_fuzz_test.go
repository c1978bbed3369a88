package ffa

import "testing"

// scripted is a source that reads a script; at its end everything is 0.
type scripted struct{ script []byte }

func (s *scripted) below(n int, _ string) int {
	if len(s.script) == 0 {
		return 0
	}
	b := int(s.script[0])
	s.script = s.script[1:]
	return b * n >> 8
}

// Whatever calls the fuzzer finds, the core agrees with the model, in both interfaces.
func FuzzCallsAgreeWithTheModel(f *testing.F) {
	for seed := range uint64(16) {
		var s seeded
		s.Seed(seed, 0)
		script := make([]byte, 1+seed*64)
		for i := range script {
			script[i] = byte(s.below(256, ""))
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1<<12 {
			return
		}
		s := &scripted{script[1:]}
		p := newPlayer(t, script[0]&1 == 1, s)
		for len(s.script) > 0 {
			p.step()
		}
		p.end()
	})
}
