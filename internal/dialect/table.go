package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/anthropic"
	"sluice/internal/wire/bedrock"
	"sluice/internal/wire/cohere"
	"sluice/internal/wire/gemini"
	"sluice/internal/wire/openai"
	"sluice/internal/wire/responses"
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
		NewFold:       openai.NewFold,
		Scan:          openai.ScanAnswer,
		AppendPing:    openai.AppendPing,
		FileRefs:      openai.FileRefs,

		ReadEmbed:      openai.ReadEmbed,
		AppendEmbed:    openai.AppendEmbed,
		ReadEmbedded:   openai.ReadEmbedded,
		AppendEmbedded: openai.AppendEmbedded,
		SplitEmbed:     openai.SplitEmbed,
		JoinEmbedded:   openai.JoinEmbedded,
	},
	llm.Anthropic: {
		Dialect:       llm.Anthropic,
		Parse:         parseAnthropic,
		ReadChat:      anthropic.ReadChat,
		AppendAnswer:  anthropic.AppendAnswer,
		NewWriter:     anthropic.NewWriter,
		AppendError:   anthropic.AppendError,
		SetLimits:     anthropic.SetLimits,
		AppendChat:    anthropic.AppendChat,
		ReadAnswer:    anthropic.ReadAnswer,
		NewReader:     anthropic.NewReader,
		ClassifyError: anthropic.ClassifyError,
		Limits:        anthropic.Limits,
		NewFollower:   anthropic.NewFollower,
		NewFold:       anthropic.NewFold,
		Scan:          anthropic.Scan,
		AppendPing:    anthropic.AppendPing,
		AppendCount:   anthropic.AppendCount,
		FileRefs:      anthropic.FileRefs,
	},
	llm.Responses: {
		Dialect:       llm.Responses,
		Parse:         parseResponses,
		ReadChat:      responses.ReadChat,
		AppendAnswer:  responses.AppendAnswer,
		NewWriter:     responses.NewWriter,
		AppendError:   openai.AppendError,
		SetLimits:     openai.SetLimits,
		AppendChat:    responses.AppendChat,
		ReadAnswer:    responses.ReadAnswer,
		NewReader:     responses.NewReader,
		ClassifyError: openai.ClassifyError,
		Limits:        openai.Client{}.Limits,
		NewFollower:   responses.NewFollower,
		NewFold:       responses.NewFold,
		Scan:          responses.Scan,
		AppendPing:    openai.AppendPing,
		AppendCount:   responses.AppendCount,
		FileRefs:      responses.FileRefs,
	},
	llm.Gemini: {
		Dialect:          llm.Gemini,
		Parse:            parseGemini,
		ReadChat:         gemini.ReadChat,
		AppendAnswer:     gemini.AppendAnswer,
		NewWriter:        gemini.NewWriter,
		AppendError:      gemini.AppendError,
		SetLimits:        gemini.SetLimits,
		AppendChat:       gemini.AppendChat,
		ReadAnswer:       gemini.ReadAnswer,
		NewReader:        gemini.NewReader,
		ClassifyError:    gemini.ClassifyError,
		Limits:           gemini.Limits,
		Unmarked:         true,
		NewFollower:      gemini.NewFollower,
		NewArrayFollower: gemini.NewArrayFollower,
		NewFold:          gemini.NewFold,
		Scan:             gemini.Scan,
		AppendPing:       gemini.AppendPing,
		ReadEmbed:        gemini.ReadEmbed,
		AppendEmbed:      gemini.AppendEmbed,
		ReadEmbedded:     gemini.ReadEmbedded,
		AppendEmbedded:   gemini.AppendEmbedded,
		SplitEmbed:       gemini.SplitEmbed,
		JoinEmbedded:     gemini.JoinEmbedded,
		AppendCount:      gemini.AppendCount,
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

func parseAnthropic(op llm.Op, body []byte) (Request, *llm.Error) {
	rq, e := anthropic.ParseRequest(op, body)
	if e != nil {
		return nil, e
	}
	return rq, nil
}

func parseGemini(op llm.Op, body []byte) (Request, *llm.Error) {
	rq, e := gemini.ParseRequest(op, body)
	if e != nil {
		return nil, e
	}
	return rq, nil
}

func parseResponses(op llm.Op, body []byte) (Request, *llm.Error) {
	rq, e := responses.ParseRequest(op, body)
	if e != nil {
		return nil, e
	}
	return &rq, nil
}
