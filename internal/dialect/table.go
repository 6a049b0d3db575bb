package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
	"sluice/internal/wire/cohere"
	"sluice/internal/wire/openai"
)

// codecs are all that there are. The table is never written.
var codecs = [...]*Codec{
	llm.OpenAI: {
		Dialect:       llm.OpenAI,
		Parse:         parseOpenAI,
		ClassifyError: openai.ClassifyError,
		Limits:        openai.Client{}.Limits,
		AppendError:   openai.AppendError,
		NewFollower:   func() wire.Follower { return new(openai.Stream) },
		Scan:          openai.ScanAnswer,

		ReadEmbed:      openai.ReadEmbed,
		AppendEmbed:    openai.AppendEmbed,
		ReadEmbedded:   openai.ReadEmbedded,
		AppendEmbedded: openai.AppendEmbedded,
		SplitEmbed:     openai.SplitEmbed,
		JoinEmbedded:   openai.JoinEmbedded,
		Repack:         openai.Repack,
	},
	llm.Converse: {
		Dialect:       llm.Converse,
		ReadChat:      bedrock.ReadChat,
		AppendAnswer:  bedrock.AppendAnswer,
		NewWriter:     bedrock.NewWriter,
		AppendError:   bedrock.AppendError,
		AppendChat:    bedrock.AppendChat,
		ReadAnswer:    bedrock.ReadAnswer,
		NewReader:     bedrock.NewReader,
		ClassifyError: bedrock.ClassifyError,
		Limits:        bedrock.Limits,
	},
	llm.Cohere: shape(cohere.Cohere),
	llm.Voyage: shape(cohere.Voyage),
	llm.Jina:   shape(cohere.Jina),
}

func parseOpenAI(op llm.Op, body []byte) (Request, *llm.Error) {
	rq, e := openai.ParseRequest(op, body)
	if e != nil {
		return nil, e
	}
	return &rq, nil
}
