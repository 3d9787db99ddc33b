"""The one command core behind CLI, XML-RPC, HTTP and chat, and its spool."""
