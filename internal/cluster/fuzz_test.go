package cluster

import (
	"encoding/json"
	"testing"

	"sluice/internal/limit"
)

// FuzzReply: whatever a server answers, the decoders return an error or something that makes sense.
func FuzzReply(f *testing.F) {
	f.Add([]byte(`[1,4,1,1000,5,6,0,10,20,0,5,70,80,1,2]`), []byte(`[1700000000000000,4,5000,1,"1-0","{\"account\":\"p\",\"from\":\"x\"}"]`))
	f.Add([]byte(`[1,4,9,1000,5,-6,0,-10,20,0,5,-1,2,1,2]`), []byte(`[1,2,3]`))
	f.Add([]byte(`["x"]`), []byte(`[1,2,3,4,5,6]`))
	f.Fuzz(func(t *testing.T, share, sign []byte) {
		if r, err := decodeReply(answer(share), []limit.Dim{limit.Tokens}, 1); err == nil {
			g := r.grants[0]
			if len(r.grants) != 1 || g.add < 0 || g.ahead < 0 || g.target < 0 || g.free < 0 || r.frame < 0 || r.frame > maxFrame || r.label < 0 || r.places < 0 ||
				len(r.rests) != 1 || r.rests[0].amount < 0 || r.rests[0].target < 0 {
				t.Errorf("%s was taken for %+v", share, r)
			}
		}
		if b, err := decodeBeat(answer(sign)); err == nil {
			if b.live < 0 || b.age < 0 {
				t.Errorf("%s was taken for %+v", sign, b)
			}
			for _, h := range b.hints {
				if hint, ok := decodeHint(h.text); ok && hint.Account == "" {
					t.Errorf("%q is a hint about nobody", h.text)
				}
			}
		}
	})
}

// answer makes what the client would return: whole numbers, texts and lists.
func answer(b []byte) any {
	var list []any
	if json.Unmarshal(b, &list) != nil {
		return string(b)
	}
	for i, v := range list {
		if n, ok := v.(float64); ok {
			list[i] = int64(n)
		}
	}
	return list
}
