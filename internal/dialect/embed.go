package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/wire/cohere"
)

// shape returns the row of one of the protocols that know embeddings and rerank only.
func shape(s cohere.Shape) *Codec {
	return &Codec{
		Dialect: s.Dialect(),
		Parse: func(op llm.Op, body []byte) (Request, *llm.Error) {
			rq, e := s.ParseRequest(op, body)
			if e != nil {
				return nil, e
			}
			return &rq, nil
		},
		AppendError:    s.AppendError,
		SetLimits:      s.SetLimits,
		ClassifyError:  s.ClassifyError,
		Limits:         s.Limits,
		Scan:           s.Scan,
		ReadEmbed:      s.ReadEmbed,
		AppendEmbed:    s.AppendEmbed,
		ReadEmbedded:   s.ReadEmbedded,
		AppendEmbedded: s.AppendEmbedded,
		ReadRerank:     s.ReadRerank,
		AppendRerank:   s.AppendRerank,
		ReadRanked:     s.ReadRanked,
		AppendRanked:   s.AppendRanked,
	}
}
