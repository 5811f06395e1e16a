'use client'
// One short message at a time, with Undo where the API can undo. It stays while it is hovered or has the focus.
import { usePathname } from 'next/navigation'
import {
  createContext,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { troubleOf } from '../live/transport'
import { sentence } from '../words/sentence'

const SHOWN_MS = 8_000

interface Message {
  readonly text: string
  readonly undo?: { readonly word: string; readonly run: () => void }
}

interface Voice {
  readonly say: (message: Message) => void
  /** What was said is not shown any longer. */
  readonly hush: () => void
}

const Say = createContext<Voice>({ say: () => {}, hush: () => {} })

export function Toasts({ children }: { children: ReactNode }) {
  const [message, setMessage] = useState<Message>()
  const [isHeld, setHeld] = useState(false)
  const hush = useCallback(() => {
    setMessage(undefined)
    setHeld(false)
  }, [])
  const voice = useMemo(() => ({ say: setMessage, hush }), [hush])
  const path = usePathname()
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was said on one page is not for the next
  useEffect(hush, [path])
  useEffect(() => {
    if (message === undefined || isHeld) return
    const timer = setTimeout(() => setMessage(undefined), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [message, isHeld])
  return (
    <Say value={voice}>
      {children}
      <div
        role="status"
        className={message ? 'toast' : 'sr'}
        onPointerEnter={(event: PointerEvent) => event.pointerType === 'mouse' && setHeld(true)}
        onPointerLeave={() => setHeld(false)}
        onFocus={() => setHeld(true)}
        onBlur={() => setHeld(false)}
      >
        {message && <span>{message.text}</span>}
        {message?.undo && (
          <button
            type="button"
            onClick={() => {
              message.undo?.run()
              hush()
            }}
          >
            {message.undo.word}
          </button>
        )}
      </div>
    </Say>
  )
}

export function useSay(): (message: Message) => void {
  return useContext(Say).say
}

/** What lies over the page, when it comes, takes the place of what was said before. */
export function useHush(isOver: boolean): void {
  const { hush } = useContext(Say)
  useEffect(() => {
    if (isOver) hush()
  }, [isOver, hush])
}

/** Runs an act: the word while it runs, what to say when it is done, and the error with its cure when it is not. */
export function useAct(): {
  readonly busy: string | false
  readonly run: <T>(word: string, act: () => Promise<T>, done?: (answer: T) => Message | undefined) => void
} {
  const [busy, setBusy] = useState<string | false>(false)
  const isThere = useRef(true)
  const say = useSay()
  useEffect(() => {
    isThere.current = true
    return () => {
      isThere.current = false
    }
  }, [])
  const run = useCallback(
    <T,>(word: string, act: () => Promise<T>, done?: (answer: T) => Message | undefined) => {
      setBusy(word)
      act()
        .then(
          answer => {
            const message = done?.(answer)
            if (message !== undefined) say(message)
          },
          error => {
            const { what, cure } = troubleOf(error)
            say({ text: [sentence(what), cure && sentence(cure)].filter(Boolean).join(' ') })
          },
        )
        .finally(() => isThere.current && setBusy(false))
    },
    [say],
  )
  return { busy, run }
}
