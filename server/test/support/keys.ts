// A page that is used by its keyboard alone: where the focus goes, and that it is seen.
import assert from 'node:assert/strict'
import type { Locator, Page } from 'playwright-core'

/** Presses of one way that a page takes at most: more is out of reach. */
const MOST_TABS = 120

/** The way of the focus in one page. */
export class Keys {
  private readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  /** One after the other. */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key)
  }

  /** By Tab, and it can be seen where it is. */
  async to(target: Locator, key = 'Tab'): Promise<void> {
    await target.waitFor()
    for (let presses = 0; presses < MOST_TABS; presses++) {
      await this.page.keyboard.press(key)
      // Looked for each time: what was drawn anew meanwhile is another element.
      if (await target.evaluate(node => (globalThis as unknown as Focused).document.activeElement === node)) {
        await this.at(target)
        return
      }
    }
    assert.fail(`${target} is not reached by ${MOST_TABS} times ${key}`)
  }

  /** A dialog is open and has taken the focus, a moment after it is seen: a key before that would be undone. */
  async inDialog(): Promise<void> {
    await this.page.locator('[role="dialog"] :focus').waitFor()
  }

  /** It has the focus, and shows it. */
  async at(target: Locator): Promise<void> {
    await target.and(this.page.locator(':focus-visible')).waitFor()
    // A field within a frame shows it by a ring around the frame.
    const isSeen = await target.evaluate(node => {
      const style = (each: unknown) => (globalThis as unknown as Styles).getComputedStyle(each)
      const { parentElement } = node as unknown as { parentElement: unknown }
      const { outlineStyle, outlineWidth } = style(node)
      return (outlineStyle !== 'none' && outlineWidth !== '0px') || style(parentElement).boxShadow !== 'none'
    })
    assert.ok(isSeen, `the focus of ${target} is seen`)
  }
}

interface Styles {
  getComputedStyle(node: unknown): { outlineStyle: string; outlineWidth: string; boxShadow: string }
}

interface Focused {
  readonly document: { readonly activeElement: unknown }
}
