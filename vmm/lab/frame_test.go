package lab

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"
)

func TestStreamArrivesInOrderWhateverItsPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var port, want, got bytes.Buffer
		out := &stream{&sender{w: &port}, kindStdout}
		for _, size := range rapid.SliceOf(rapid.IntRange(0, 3*maxPayload)).Draw(t, "sizes") {
			piece := bytes.Repeat([]byte{byte(size)}, size)
			want.Write(piece)
			if n, err := out.Write(piece); n != size || err != nil {
				t.Fatalf("wrote %d of %d bytes: %v", n, size, err)
			}
		}
		buf := make([]byte, maxPayload)
		for {
			k, payload, err := receive(&port, buf)
			if err == io.EOF {
				break
			}
			if err != nil || k != kindStdout {
				t.Fatalf("kind %d, error %v", k, err)
			}
			got.Write(payload)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatal("other bytes arrived than were sent")
		}
	})
}

func TestFrameCutShortIsAnError(t *testing.T) {
	var port bytes.Buffer
	if err := (&sender{w: &port}).send(kindExit, []byte{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	whole := port.Bytes()
	for n := 1; n < len(whole); n++ {
		_, _, err := receive(bytes.NewReader(whole[:n]), make([]byte, maxPayload))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func FuzzReceiveNeverReturnsMoreThanAFrameHolds(f *testing.F) {
	f.Add([]byte{byte(kindStdout), 1, 0, 0, 0, 'x'})
	f.Add([]byte{byte(kindExit), 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, payload, err := receive(bytes.NewReader(data), make([]byte, maxPayload))
		if err == nil && (k < kindStdin || k > kindFailed || len(payload) > len(data)-headerSize) {
			t.Fatalf("kind %d with %d bytes out of %d", k, len(payload), len(data))
		}
	})
}
