// Everything of ui/, in one place to import from.

export * from "./base.js";
export { Announcer, announce, announceMany } from "./announce.js";
export { Button } from "./button.js";
export { Dialog, Drawer } from "./dialog.js";
export { Field, Switch } from "./field.js";
export { Icon } from "./icon.js";
export { Kbd } from "./kbd.js";
export { Menu, place } from "./menu.js";
export { Part } from "./part.js";
export { SignInAgain } from "./signin.js";
export { Avatar, Badge, Chip, Empty, Pill, Strip, hueOf, initials } from "./small.js";
export { Tabs } from "./tabs.js";
export { Toasts, toast, undoLast } from "./toast.js";
