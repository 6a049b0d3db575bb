package bedrock

import "encoding/json"

// The shapes of Converse that are read whole, with the names of the AWS API reference (aws-sdk-go-v2 bedrockruntime v1.63.10).

type converseRequest struct {
	Messages   []message         `json:"messages"`
	System     []json.RawMessage `json:"system"`
	Inference  inference         `json:"inferenceConfig"`
	Tools      *toolConfig       `json:"toolConfig"`
	Additional json.RawMessage   `json:"additionalModelRequestFields"`
	Output     *outputConfig     `json:"outputConfig"`
	Tier       *serviceTier      `json:"serviceTier"`
	Metadata   json.RawMessage   `json:"requestMetadata"`
}

type inference struct {
	MaxTokens   json.Number `json:"maxTokens"`
	Temperature json.Number `json:"temperature"`
	TopP        json.Number `json:"topP"`
	Stop        []string    `json:"stopSequences"`
}

type serviceTier struct {
	Type string `json:"type"`
}

type message struct {
	Role    string            `json:"role"`
	Content []json.RawMessage `json:"content"`
}

// block is one content block: a union, of which one member is there.
type block struct {
	Text       *string           `json:"text"`
	Image      *media            `json:"image"`
	Document   *media            `json:"document"`
	Audio      *media            `json:"audio"`
	ToolUse    *toolUse          `json:"toolUse"`
	ToolResult *toolResult       `json:"toolResult"`
	Reasoning  *reasoningContent `json:"reasoningContent"`
	CachePoint *cachePoint       `json:"cachePoint"`
	Citations  *citationsContent `json:"citationsContent"`
	JSON       json.RawMessage   `json:"json"` // in the results of tools
}

type media struct {
	Format string `json:"format"`
	Name   string `json:"name"` // of documents
	Source struct {
		Bytes string `json:"bytes"`
		Text  string `json:"text"`
		S3    *struct {
			URI string `json:"uri"`
		} `json:"s3Location"`
	} `json:"source"`
}

type toolUse struct {
	ID    string          `json:"toolUseId"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type toolResult struct {
	ID      string            `json:"toolUseId"`
	Content []json.RawMessage `json:"content"`
	Status  string            `json:"status"`
}

type reasoningContent struct {
	Text *struct {
		Text      string `json:"text"`
		Signature string `json:"signature"`
	} `json:"reasoningText"`
	Redacted string `json:"redactedContent"`
}

type cachePoint struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type citationsContent struct {
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	Citations []citation `json:"citations"`
}

type citation struct {
	Title   string `json:"title"`
	Source  string `json:"source"`
	Content []struct {
		Text string `json:"text"`
	} `json:"sourceContent"`
	Location struct {
		Web *struct {
			URL string `json:"url"`
		} `json:"web"`
	} `json:"location"`
}

type toolConfig struct {
	Tools  []json.RawMessage `json:"tools"`
	Choice *struct {
		Auto *struct{} `json:"auto"`
		Any  *struct{} `json:"any"`
		Tool *struct {
			Name string `json:"name"`
		} `json:"tool"`
	} `json:"toolChoice"`
}

type tool struct {
	Spec *struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Strict      *bool  `json:"strict"`
		Schema      struct {
			JSON json.RawMessage `json:"json"`
		} `json:"inputSchema"`
	} `json:"toolSpec"`
	System *struct {
		Name string `json:"name"`
	} `json:"systemTool"`
	CachePoint *cachePoint `json:"cachePoint"`
}

type outputConfig struct {
	Effort string `json:"effort"`
	Format *struct {
		Type      string `json:"type"`
		Structure struct {
			Schema *struct {
				Schema      string `json:"schema"`
				Name        string `json:"name"`
				Description string `json:"description"`
			} `json:"jsonSchema"`
		} `json:"structure"`
	} `json:"textFormat"`
}

// additional are the members of additionalModelRequestFields that Claude's models know.
type additional struct {
	TopK     json.Number `json:"top_k"`
	Thinking *struct {
		Type   string `json:"type"`
		Budget int64  `json:"budget_tokens"`
	} `json:"thinking"`
}

type converseAnswer struct {
	Output struct {
		Message message `json:"message"`
	} `json:"output"`
	Stop  string       `json:"stopReason"`
	Usage *usage       `json:"usage"`
	Tier  *serviceTier `json:"serviceTier"`
}

type usage struct {
	Input      int64 `json:"inputTokens"`
	Output     int64 `json:"outputTokens"`
	Total      int64 `json:"totalTokens"`
	CacheRead  int64 `json:"cacheReadInputTokens"`
	CacheWrite int64 `json:"cacheWriteInputTokens"`
	Details    []struct {
		TTL    string `json:"ttl"`
		Tokens int64  `json:"inputTokens"`
	} `json:"cacheDetails"`
}
