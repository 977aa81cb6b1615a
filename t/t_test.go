package t
import ("testing";"github.com/stretchr/testify/require";"github.com/google/go-cmp/cmp";"go.uber.org/zap";"golang.org/x/sys/unix";"go.uber.org/zap/zaptest/observer")
func TestX(t *testing.T){ require.Equal(t, "", cmp.Diff(1,1)); zap.NewNop(); _ = unix.PREADV; observer.New(nil)}
