package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// codecs are all that there are. The table is never written.
var codecs = [...]*Codec{
	llm.OpenAI: {
		Dialect:       llm.OpenAI,
		Parse:         parseOpenAI,
		ReadChat:      openai.ReadChat,
		AppendAnswer:  openai.AppendAnswer,
		NewWriter:     openai.NewWriter,
		AppendError:   openai.AppendError,
		SetLimits:     openai.SetLimits,
		AppendChat:    openai.AppendChat,
		ReadAnswer:    openai.ReadAnswer,
		NewReader:     openai.NewReader,
		ClassifyError: openai.ClassifyError,
		Limits:        openai.Limits,
		NewFollower:   func() wire.Follower { return new(openai.Stream) },
		Scan:          openai.ScanAnswer,
	},
}

func parseOpenAI(op llm.Op, body []byte) (Request, *llm.Error) {
	rq, e := openai.ParseRequest(op, body)
	if e != nil {
		return nil, e
	}
	return &rq, nil
}
