package mem

import (
	"testing"

	"github.com/goscst/goscst/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
